"""Small programs that try to leave the machine, and what watches them. Loopback and made-up addresses only."""
