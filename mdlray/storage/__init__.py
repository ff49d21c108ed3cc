"""Whole files in a folder of this machine or in a bucket, and the lock of the only writer."""
