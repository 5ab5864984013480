"""Runs one test of stunnel's own suite: FOLDER NUMBER [options of its maketest.py].

The suite has no way to choose a test, and one that hangs would keep all that follow from running.
"""

import asyncio
import sys

folder, number = sys.argv[1:3]
del sys.argv[1:3]
sys.path.insert(0, folder)
import maketest  # noqa: E402

run_test = maketest.TestSuite.test_stunnel


async def run_if_chosen(test, cfg):
    if test.params.description.startswith(f"{number}. "):
        await run_test(test, cfg)


maketest.TestSuite.test_stunnel = run_if_chosen
asyncio.run(maketest.main())
