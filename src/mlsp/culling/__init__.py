"""From many photos to the ones worth keeping: bursts, copies, stars for other programs.

    bursts       photos of the same moment, the best of each first
    burst_pairs  pairs of similar photos
    faces/       faces of a photo: prominence, eyes open or closed, sharpness; no identity
    sharpness    blur of a piece of a photo, in pixels
    copies       picked photos -> a folder; nothing is moved or deleted
    xmp/         ratings in sidecars; xmp.report: scores -> stars in sidecars

For commands and the page; a name is imported from its module.
"""
