"""What Keras prints as the summaries of tests/models/summary_models.py: python make_keras_summaries.py [FILE or -]."""

import importlib.util
import json
import os
import sys
from pathlib import Path

os.environ["COLUMNS"] = "130"
HERE = Path(__file__).parent


def main() -> None:
    import keras

    spec = importlib.util.spec_from_file_location("models", HERE.parent / "models" / "summary_models.py")
    models = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(models)
    text = json.dumps(models.summaries(keras), indent=1, ensure_ascii=False) + "\n"
    target = sys.argv[1] if len(sys.argv) > 1 else str(HERE / "keras_summaries.json")
    if target == "-":
        print(text)
    else:
        Path(target).write_text(text)


if __name__ == "__main__":
    main()
