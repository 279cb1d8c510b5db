#!/usr/bin/python3
"""weft-cni against the CNI specification (1.1.0, 1.0.0, 0.4.0, 0.3.1), with a fake weftd (fake_weftd.py).

    conformance.py [WORD]      the scenarios whose sentence has the word; without it, all

Each scenario has a world of its own (world.py).
"""

import sys
import traceback

import attachments  # noqa: F401  each of them adds its scenarios
import delegation  # noqa: F401
import failures  # noqa: F401
import refusals  # noqa: F401
from scenarios import scenarios
from world import World


def main():
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    chosen = [(sentence, work) for sentence, work in scenarios if word in sentence]
    failed = 0
    for sentence, work in chosen:
        print(f"--- {sentence}", flush=True)
        try:
            with World() as world:
                work(world)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            traceback.print_exc(limit=-2, file=sys.stdout)
    print(f"{len(chosen) - failed} of {len(chosen)} scenarios passed")
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
