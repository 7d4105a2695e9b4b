"""A model: a network, its heads and its card, in a folder.

    model        the folder, read and checked
    records      its heads and its card
    writing      heads and networks -> a folder
    kernel_form  a kernel head as arrays, and the linear head nearest to it
    released     records of the authors' released heads
    keras_import their files -> a folder
    getting      their files, downloaded
    heads/       features -> value: architectures and closed forms
    one_file/    a model as one ONNX file or one web page
    builtin/     the embedded models

Imports features, backbones, photos and base. A name is imported from its module.
"""
