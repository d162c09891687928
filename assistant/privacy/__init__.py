"""What keeps everything on this machine: the environment, the kernel's lock, the keys."""
