"""Say who is greeted: the first argument, or the world."""

import sys

print(f"Hello, {' '.join(sys.argv[1:]) or 'world'}!")
