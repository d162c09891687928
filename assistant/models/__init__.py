"""The model store: what may run here, where it lies, and that its bytes are the right ones."""
