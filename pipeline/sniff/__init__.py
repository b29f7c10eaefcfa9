"""A look at records that nobody has described yet: their envelope, events and fields.

What is shown of them are names, shares and counts. Ids never are, nor values of the payload, but
for short texts that many people share (`fields.py`).
"""
