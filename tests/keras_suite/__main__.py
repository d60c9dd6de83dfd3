"""`python -m tests.keras_suite [FOLDER ...]`: gpunet's share of Keras's own tests, file by file.

With `--keras` the tests run against Keras through the same adapter, and `passed_by_keras.txt` is written anew, under
PyTorch unless KERAS_BACKEND says otherwise. KERAS_SUITE_LOG names a file for pytest's own report.
"""

import argparse

from tests.keras_suite import outcomes

parser = argparse.ArgumentParser(prog="python -m tests.keras_suite", description=__doc__)
parser.add_argument("folders", nargs="*", default=outcomes.FOLDERS, help="folders or files below keras/src")
parser.add_argument("--keras", action="store_true", help="run real Keras and write the list of what it passes")
parser.add_argument("--failed", action="store_true", help="list the tests that Keras passes and gpunet does not")
parser.add_argument("--workers", type=int, default=0, help="processes to run the tests in")
parser.add_argument("-k", dest="only", help="run the tests whose names match only")
options = parser.parse_args()

if options.keras:
    outcomes.write_reference(outcomes.run("keras", options.folders, options.workers), options.folders)
else:
    found = outcomes.run("gpunet", options.folders, options.workers, options.only)
    print(outcomes.table(found, options.folders))
    if options.failed:
        print(*outcomes.lacking(found, options.folders), sep="\n")
