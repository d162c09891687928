"""A private assistant that runs on your own machine. This file imports nothing: the network lock comes first."""
