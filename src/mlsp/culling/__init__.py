"""From many photos to the ones worth keeping: bursts, copies, stars for other programs.

    bursts       photos of the same moment, the best of each first
    burst_pairs  pairs of similar photos
    copies       picked photos -> a folder; nothing is moved or deleted
    xmp/         ratings in sidecars; xmp.report: scores -> stars in sidecars

For commands and the page; a name is imported from its module.
"""
