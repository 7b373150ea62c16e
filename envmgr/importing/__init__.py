"""An existing Compose project becomes a spec, and the rendered spec is compared with it; pure, nothing is read here."""
