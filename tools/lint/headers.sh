#!/bin/sh
# Each public header compiles alone, as C and as C++.
set -eu
for h in include/sensus/*.h; do
    name=sensus/$(basename "$h")
    echo "#include <$name>" | cc -std=c11 -Wall -Wextra -Werror -pedantic -Iinclude -fsyntax-only -x c -
    echo "#include <$name>" | c++ -std=c++11 -Wall -Wextra -Werror -Iinclude -fsyntax-only -x c++ -
done
