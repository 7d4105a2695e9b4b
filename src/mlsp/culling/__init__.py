"""From many photos to those that stay: bursts, copies, stars for other programs.

bursts       photos taken one after another, the best of each marked
burst_pairs  which photos are alike
copies       picked photos -> a folder; nothing is moved or deleted
xmp/         ratings in sidecars
xmp_report   scores -> stars in sidecars
"""
