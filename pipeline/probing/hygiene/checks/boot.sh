#!/bin/sh
# What is older than the first process of this system was in the image. Field 22 of its stat is its start in clock
# ticks since the kernel's boot, which in a container is earlier; the times of /proc/1 itself are not kept.
boot=$(sed -n 's/^btime //p' /proc/stat)
boot=$((boot + $(sed 's/.*) //' /proc/1/stat | cut -d ' ' -f 20) / $(getconf CLK_TCK)))
baked() { # FILE: whether it was last written before the boot (btime is rounded: one second is not held against it)
    [ "$(stat -c %Y "$1")" -lt $((boot - 1)) ]
}
