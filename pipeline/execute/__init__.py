"""Carries plans out, step by step; decides nothing."""
