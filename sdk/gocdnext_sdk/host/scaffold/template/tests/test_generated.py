"""What is generated from the model is up to date."""

from pathlib import Path

from gocdnext_sdk.host.manifest.files import outdated

PLUGIN = Path(__file__).parents[1]


def test_the_generated_files_say_what_the_model_says() -> None:
    assert outdated(PLUGIN) == [], "run: gocdnext-plugin manifest ."
