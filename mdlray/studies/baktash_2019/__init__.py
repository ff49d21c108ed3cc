"""Baktash, Natale and Viennot (2019), "A Comparative Study of Neural Network Compression", arXiv:1910.11144."""
