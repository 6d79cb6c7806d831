import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # tilting_cases is a plain module beside the tests
