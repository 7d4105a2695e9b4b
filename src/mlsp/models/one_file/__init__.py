"""A model as one file, for programs that know nothing of mlsp.

model folder ─ graph: one_file_graph ─┬ onnx       one file from pixels of any size to scores
                                      ├ openvino   the same, as OpenVINO's own pair of files
                                      └ browser    a folder with a page that scores photos where they are
parity: the same photos by the file and by `Scorer`, side by side
"""
