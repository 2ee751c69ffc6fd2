# Writes assets.c: every file as an array of bytes with a NUL behind it, and assets_find.
set(text "#include \"pipeline/base/assets.h\"\n\n")
set(table "")
set(index 0)
foreach(asset IN LISTS ASSETS)
  file(READ ${TOP}/${asset} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," array "${hex}")
  string(APPEND text "static const uint8_t asset_${index}[] = {${array}0};\n")
  string(APPEND table "    {\"${asset}\", {asset_${index}, sizeof asset_${index} - 1}},\n")
  math(EXPR index "${index} + 1")
endforeach()
string(APPEND text "
static const struct {
    const char *name;
    struct bytes content;
} assets[] = {
${table}    {0, {0, 0}},
};

struct bytes assets_find(const char *name)
{
    for (size_t i = 0; assets[i].name; i++)
        if (strcmp(assets[i].name, name) == 0)
            return assets[i].content;
    return (struct bytes){0, 0};
}
")
file(WRITE ${OUT} "${text}")
