#!/bin/sh
# A launch with a key pair writes these files anew, after the boot; Packer's temporary key may have stayed in them even so.
getent passwd | cut -d : -f 6 | sort -u | {
    status=0
    while read -r home; do
        for file in "$home/.ssh/authorized_keys" "$home/.ssh/authorized_keys2"; do
            if ! grep -sqv -e '^[[:space:]]*#' -e '^[[:space:]]*$' "$file"; then continue; fi
            if baked "$file"; then
                echo "$file was baked into the image: whoever has its keys can log in. Remove it last in the build."
                status=1
            elif grep -Eq '[[:space:]](packer_|rebake-)[^[:space:]]*$' "$file"; then
                echo "$file lets in the temporary key of the build. Remove the file last in the build."
                status=1
            fi
        done
    done
    exit $status
}
