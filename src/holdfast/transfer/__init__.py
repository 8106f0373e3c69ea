"""Conversations as files: out as JSON and Markdown, in from what programs write out."""
