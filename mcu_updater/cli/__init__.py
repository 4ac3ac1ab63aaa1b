"""The command line: parse, build, run, print, exit. The only room that prints."""
