"""Writes text files as a C table: embed.py HEADER SYMBOL ROOT OUTPUT FILE..."""
import os
import sys

header, symbol, root, output, *files = sys.argv[1:]
if not output.endswith(".c"):
    sys.exit(__doc__)
with open(output, "w") as out:
    out.write('#include "%s"\n\n' % header)
    for number, path in enumerate(files):
        # Bytes, not a string literal: C11 promises only 4095 characters for those.
        data = open(path, "rb").read() + b"\0"
        lines = (",".join(map(str, data[i:i + 24])) for i in range(0, len(data), 24))
        out.write("static const char text_%d[] = {\n%s};\n\n" % (number, ",\n".join(lines)))
    out.write("const struct clattn__embedded %s[] = {\n" % symbol)
    for number, path in enumerate(files):
        name = os.path.relpath(path, root).replace(os.sep, "/")
        out.write('    {"%s", text_%d},\n' % (name, number))
    out.write("    {0, 0}};\n")
