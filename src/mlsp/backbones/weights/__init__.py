"""Trained weights of the networks: found or downloaded, verified, read from any layout they are published in.

loading     the weights of a network, found or downloaded
downloads   a published file, verified
containers  arrays of PyTorch, Keras and safetensors files
layouts     their names and shapes -> those of our definitions
"""
