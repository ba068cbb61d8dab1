"""Fraud: may this order go through? Features, rules, policy, steps and learner of one use case."""

from tillwise.use_cases.fraud.features import FEATURES
from tillwise.use_cases.fraud.steps import LEARNER, USE_CASE, fraud, learner

__all__ = ["FEATURES", "LEARNER", "USE_CASE", "fraud", "learner"]
