"""From maps to statements about a specimen: densities, clusters, distances, series, comparisons."""

from eucentric.tools.vision.statistics.aggregation import aggregated
from eucentric.tools.vision.statistics.arrangement import Arrangement, arrange, arrangement_of
from eucentric.tools.vision.statistics.clustering import Clustering, Topology, clustering, topology
from eucentric.tools.vision.statistics.comparison import Comparison, compare
from eucentric.tools.vision.statistics.density import combined_density, vacancy_density
from eucentric.tools.vision.statistics.dose_series import DoseSeries, Look, dose_series
from eucentric.tools.vision.statistics.pair_correlation import PairCorrelation, pair_correlation
from eucentric.tools.vision.statistics.tally import Tally, tally_of, tally_of_finding

__all__ = [
    "Arrangement", "Clustering", "Comparison", "DoseSeries", "Look", "PairCorrelation", "Tally", "Topology",
    "aggregated", "arrange", "arrangement_of", "clustering", "combined_density", "compare", "dose_series",
    "pair_correlation", "tally_of", "tally_of_finding", "topology", "vacancy_density",
]  # fmt: skip
