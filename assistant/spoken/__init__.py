"""Text on its way to a voice: what is read out, in words, cut into clauses that can be spoken early."""
