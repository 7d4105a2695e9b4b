"""Photo -> features: the pooled activations of a frozen network.

    spec         identity of features: network, weights, levels, crops, size, grid
    pooling      exact area means over fractional cells
    pipeline     photo -> features: decode, size check, crops, engine; extractor opens one by name
    opening      network, weights or graph -> engine
    engines/     inference engines: OpenVINO, torch
    graph_cache  exported graphs, cached between runs
    onnx_export  torch -> ONNX
    extraction/  many photos -> one file
    importing    files of the authors' code -> ours
    store/       the file

Imports photos, backbones and base. A name is imported from its module.
"""
