"""What an assistant that writes a mapping may ask of the engine: it reads files below one folder and changes nothing.

`tools` has the answers, each one call of what exists; `server` is the one module that knows the protocol.
"""
