# What we build on, as imported targets lat::<name>.
#
# Both executables link these libraries as archives, so that lattice-agent needs nothing but the C library
# on a node and `lattice` is one file too. Where a newer system ships no archive of a library that only the
# console uses, the shared one is taken.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

# lat__dependency(<name> PKG <pkg-config module and least version> HEADER <file> [PATH_SUFFIXES ...]
#                 ARCHIVES <file names> [SHARED <library name>] [LINKS ...] PACKAGE <Debian package>)
function(lat__dependency name)
    cmake_parse_arguments(D "" "PKG;HEADER;SHARED;PACKAGE" "ARCHIVES;PATH_SUFFIXES;LINKS" ${ARGN})
    if(D_PKG)
        pkg_check_modules(LAT_PKG_${name} QUIET ${D_PKG})
        if(NOT LAT_PKG_${name}_FOUND)
            message(FATAL_ERROR "${D_PKG} is missing: run scripts/install-deps build (package ${D_PACKAGE})")
        endif()
    endif()
    find_path(LAT_${name}_INCLUDE ${D_HEADER} PATH_SUFFIXES ${D_PATH_SUFFIXES})
    find_library(LAT_${name}_LIBRARY NAMES ${D_ARCHIVES} ${D_SHARED})
    mark_as_advanced(LAT_${name}_INCLUDE LAT_${name}_LIBRARY)
    if(NOT LAT_${name}_INCLUDE OR NOT LAT_${name}_LIBRARY)
        message(FATAL_ERROR "${name} is missing: run scripts/install-deps build (package ${D_PACKAGE})")
    endif()
    add_library(lat::${name} UNKNOWN IMPORTED GLOBAL)
    set_target_properties(lat::${name} PROPERTIES
        IMPORTED_LOCATION "${LAT_${name}_LIBRARY}"
        INTERFACE_INCLUDE_DIRECTORIES "${LAT_${name}_INCLUDE}"
        INTERFACE_LINK_LIBRARIES "${D_LINKS}")
endfunction()

lat__dependency(uv PKG "libuv>=1.44" HEADER uv.h ARCHIVES libuv_a.a libuv.a
    LINKS Threads::Threads ${CMAKE_DL_LIBS} rt PACKAGE libuv1-dev)
lat__dependency(crypto PKG "libcrypto>=3.0" HEADER openssl/evp.h ARCHIVES libcrypto.a
    LINKS Threads::Threads ${CMAKE_DL_LIBS} PACKAGE libssl-dev)
lat__dependency(ssl PKG "libssl>=3.0" HEADER openssl/ssl.h ARCHIVES libssl.a
    LINKS lat::crypto PACKAGE libssl-dev)
lat__dependency(lua PKG "lua5.4" HEADER lua.h PATH_SUFFIXES lua5.4 ARCHIVES liblua5.4.a SHARED lua5.4
    LINKS m ${CMAKE_DL_LIBS} PACKAGE liblua5.4-dev)
lat__dependency(luv HEADER luv/luv.h PATH_SUFFIXES lua5.4 ARCHIVES liblua5.4-luv.a SHARED lua5.4-luv
    LINKS lat::lua lat::uv PACKAGE lua-luv-dev)
lat__dependency(sqlite PKG "sqlite3>=3.40" HEADER sqlite3.h ARCHIVES libsqlite3.a SHARED sqlite3
    LINKS m Threads::Threads ${CMAKE_DL_LIBS} PACKAGE libsqlite3-dev)
lat__dependency(seccomp PKG "libseccomp>=2.5" HEADER seccomp.h ARCHIVES libseccomp.a SHARED seccomp
    PACKAGE libseccomp-dev)
# The sanitizers' runtimes define crypt_r themselves and call the next one that the dynamic linker knows: an
# archive would be left out of the executable, and the call would end at address 0.
if(LAT_SANITIZE)
    lat__dependency(crypt PKG "libcrypt" HEADER crypt.h SHARED crypt PACKAGE libcrypt-dev)
else()
    lat__dependency(crypt PKG "libcrypt" HEADER crypt.h ARCHIVES libcrypt.a SHARED crypt PACKAGE libcrypt-dev)
endif()

# uthash: headers alone.
find_path(LAT_uthash_INCLUDE uthash.h)
mark_as_advanced(LAT_uthash_INCLUDE)
if(NOT LAT_uthash_INCLUDE)
    message(FATAL_ERROR "uthash is missing: run scripts/install-deps build (package uthash-dev)")
endif()
add_library(lat_uthash INTERFACE)
add_library(lat::uthash ALIAS lat_uthash)
target_include_directories(lat_uthash SYSTEM INTERFACE "${LAT_uthash_INCLUDE}")

# llhttp: a packaged library of version 9 or later (strict unless told otherwise at run time), else the
# generated sources that node-llhttp ships, compiled strict. Its header defaults LLHTTP_STRICT_MODE to 0 and
# changes its tables with it, so that the definition must reach everybody who includes it.
pkg_check_modules(LAT_PKG_llhttp QUIET "libllhttp>=9")
if(LAT_PKG_llhttp_FOUND)
    lat__dependency(llhttp HEADER llhttp.h ARCHIVES libllhttp.a SHARED llhttp PACKAGE libllhttp-dev)
else()
    find_path(LAT_llhttp_INCLUDE llhttp.h PATHS /usr/share/include/llhttp)
    find_path(LAT_llhttp_SOURCES llhttp.c PATHS /usr/share/llhttp)
    mark_as_advanced(LAT_llhttp_INCLUDE LAT_llhttp_SOURCES)
    if(NOT LAT_llhttp_INCLUDE OR NOT LAT_llhttp_SOURCES)
        message(FATAL_ERROR "llhttp is missing: run scripts/install-deps build (package node-llhttp)")
    endif()
    add_library(lat_llhttp STATIC
        ${LAT_llhttp_SOURCES}/api.c ${LAT_llhttp_SOURCES}/http.c ${LAT_llhttp_SOURCES}/llhttp.c)
    add_library(lat::llhttp ALIAS lat_llhttp)
    target_include_directories(lat_llhttp SYSTEM PUBLIC "${LAT_llhttp_INCLUDE}")
    target_compile_definitions(lat_llhttp PUBLIC LLHTTP_STRICT_MODE=1)
    target_compile_options(lat_llhttp PRIVATE -w)
endif()

# cJSON: an archive where the system has one, else the distribution's patched source, which
# scripts/install-deps unpacks into the cache. Included as <cjson/cJSON.h> either way.
set(lat__cache "$ENV{XDG_CACHE_HOME}")
if(NOT lat__cache)
    set(lat__cache "$ENV{HOME}/.cache")
endif()
set(LAT_CJSON_SOURCE_DIR "${lat__cache}/lattice/sources/cjson" CACHE PATH
    "Folder with cJSON.c, for systems without an archive of it")
find_path(LAT_cjson_INCLUDE cjson/cJSON.h)
find_library(LAT_cjson_LIBRARY NAMES libcjson.a)
mark_as_advanced(LAT_cjson_INCLUDE LAT_cjson_LIBRARY)
if(NOT LAT_cjson_INCLUDE)
    message(FATAL_ERROR "cJSON is missing: run scripts/install-deps build (package libcjson-dev)")
elseif(LAT_cjson_LIBRARY)
    lat__dependency(cjson HEADER cjson/cJSON.h ARCHIVES libcjson.a LINKS m PACKAGE libcjson-dev)
elseif(EXISTS "${LAT_CJSON_SOURCE_DIR}/cJSON.c")
    add_library(lat_cjson STATIC "${LAT_CJSON_SOURCE_DIR}/cJSON.c")
    add_library(lat::cjson ALIAS lat_cjson)
    target_include_directories(lat_cjson SYSTEM PUBLIC "${LAT_cjson_INCLUDE}")
    target_compile_options(lat_cjson PRIVATE -w)
    target_link_libraries(lat_cjson PUBLIC m)
else()
    message(FATAL_ERROR "no source of cJSON in ${LAT_CJSON_SOURCE_DIR}: run scripts/install-deps build")
endif()
