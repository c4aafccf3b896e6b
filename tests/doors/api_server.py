"""Runs the app with fakes in a process of its own, so that what it does to the machine can be watched from outside.

Usage: python api_server.py PORT; prints the analysing key.
"""

import sys
from pathlib import Path

import uvicorn

sys.path.insert(0, str(Path(__file__).parents[2]))

from api_fakes import House

if __name__ == "__main__":
    house = House()
    house.executor.keep_digests = False
    print(house.token, flush=True)
    uvicorn.run(house.app, host="127.0.0.1", port=int(sys.argv[1]), log_config=None, access_log=False)
