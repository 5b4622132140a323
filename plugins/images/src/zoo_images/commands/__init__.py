"""The commands for image files, a module each.

`zoo_classify`, `zoo_features`, `zoo_extract`, `zoo_verify`, `zoo_search`.
"""
