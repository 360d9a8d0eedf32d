"""The screens of Shoal: a Textual app that sees an engine's stream and nothing else of the engine."""
