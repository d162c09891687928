"""The chat screen. `app.run_chat(services)` opens it; `services.Services` is everything it needs."""
