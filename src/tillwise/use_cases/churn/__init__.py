"""Churn: who will not buy again within the horizon? Features, policy, steps and learner of one use case."""

from tillwise.use_cases.churn.features import FEATURES
from tillwise.use_cases.churn.steps import LEARNER, USE_CASE, churn, learner

__all__ = ["FEATURES", "LEARNER", "USE_CASE", "churn", "learner"]
