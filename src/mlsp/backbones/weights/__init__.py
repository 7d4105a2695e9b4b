"""Trained weights of the networks.

    finding     the file: given, in a package, in the cache or downloaded
    downloads   a published file, verified
    containers  arrays of PyTorch, Keras and safetensors files
    layouts     their names and shapes -> those of our definitions
    loading     a network with its trained weights

Imports base and the records. The ways in are `finding.find_weights` and `loading.load_network`.
"""
