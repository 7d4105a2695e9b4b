"""Photo -> features: what a frozen network says of a photo, pooled.

    spec         what features are: network, weights, levels, crops, size, grid
    pooling      exact area means over fractional cells
    pipeline     photo -> features: decode, size check, crops, engine; extractor opens one by name
    opening      a network, ready to run on this machine
    engines/     what computes a network: OpenVINO, torch
    graph_cache  networks as exported graphs, kept between runs
    onnx_export  torch -> ONNX
    extraction/  many photos -> one file
    store/       the file

Imports photos, backbones and base. A name is imported from its module.
"""
