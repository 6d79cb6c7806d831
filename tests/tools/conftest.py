import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # bench_port is a plain module beside the tests
