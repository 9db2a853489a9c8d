"""Offline: training and evaluation."""
