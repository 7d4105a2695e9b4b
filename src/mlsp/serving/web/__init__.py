"""A page to look at photos, compare and rate them.

`static/gallery.js` and `gallery.css` show an array of photo records; the report has them in its one file, the served page loads them.
"""
