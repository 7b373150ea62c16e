"""From what lies in a folder to a first spec: text in, text out; reads and writes nothing itself."""
