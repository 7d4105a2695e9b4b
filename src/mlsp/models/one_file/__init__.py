"""Model as one file, for programs that do not use mlsp.

model folder ─ graph: one_file_graph ─┬ onnx       one file from pixels of any size to scores
                                      ├ openvino   the same as OpenVINO's pair of files
                                      └ browser    a folder with a page that scores photos in the browser
The ways in are `writing.export_model` and `browser.export_browser_page`; `mlsp.scoring.parity` compares the file with `Scorer`.
"""
