"""Six ways to bring a new image to the CPU, on one part of each class, under every cut of power.

Three of them are written here as the field has them (``overwrite``, ``swap_scratch``,
``swap_move``), and once more so that they pass (``mended``). The other three are the updater of
this project: remap or swap option, copy, option toggle. All six live in one world (``world``), and
one judge asks the same of each (``judge``).

    python -m examples.strategies                         table, picture and data, made again
    python -m examples.strategies --part NAME --strategy NAME --variant NAME
    python -m examples.strategies --replay CELL:PATH      one counterexample, step by step
"""
