"""``python -m gocdnext_sdk.host.cli`` is `gocdnext-plugin`."""

from gocdnext_sdk.host.cli import main

main()
