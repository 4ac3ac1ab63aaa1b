"""Rendering only: values in; lines, tables and JSON objects out. Nothing here prints."""
