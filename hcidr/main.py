"""hcidr: each command asks the API, shows the answer, and ends with a status that a pipeline can read.

0: it went well; 1: it failed or was refused; 2: the command itself is wrong; 3: it waits for a person.
"""

import sys

from rich.console import Console

from hcidr import document_commands, look_commands, plan_commands, run_commands, site_commands, verb_commands, views
from hcidr.api import ApiProblem
from hcidr.plan_files import WrongFile
from hcidr.profiles import WrongProfile
from hcidr.session import USAGE, app
from hcidr.watching import FAILED

COMMANDS = (document_commands, look_commands, verb_commands, run_commands, site_commands, plan_commands)
"""Each adds its own when it is imported."""


def main() -> None:
    """Run a command: what is refused is told in words, and has an exit status."""
    try:
        app()
    except ApiProblem as problem:
        Console(stderr=True).print(views.plain(problem), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(FAILED)
    except (WrongProfile, WrongFile) as wrong:
        Console(stderr=True).print(views.plain(wrong), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(USAGE)


if __name__ == "__main__":
    main()
