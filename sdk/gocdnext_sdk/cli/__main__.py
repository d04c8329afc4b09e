"""``python -m gocdnext_sdk.cli`` is `gocdnext-plugin`."""

from gocdnext_sdk.cli import main

main()
