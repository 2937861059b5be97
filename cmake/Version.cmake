# lat_version.h: the version of the project and the commit it was built from. Included by the root, this
# file makes the target lat_version, which brings the header; run as a script (by that target, on every
# build) it rewrites the header if the commit is another one.

if(CMAKE_SCRIPT_MODE_FILE)
    execute_process(COMMAND git -C "${LAT_ROOT}" describe --always --dirty --abbrev=12 --exclude=*
        OUTPUT_VARIABLE LAT_BUILD_ID OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(NOT LAT_BUILD_ID)
        set(LAT_BUILD_ID "unknown")
    endif()
    configure_file("${CMAKE_CURRENT_LIST_DIR}/version.h.in" "${LAT_HEADER}" @ONLY)
    return()
endif()

set(lat__header "${PROJECT_BINARY_DIR}/generated/lat_version.h")
add_custom_target(lat_version_header
    COMMAND ${CMAKE_COMMAND} -DLAT_ROOT=${PROJECT_SOURCE_DIR} -DLAT_VERSION=${PROJECT_VERSION}
        -DLAT_HEADER=${lat__header} -P "${CMAKE_CURRENT_LIST_FILE}"
    BYPRODUCTS "${lat__header}"
    COMMENT "Looking at the commit"
    VERBATIM)
add_library(lat_version INTERFACE)
add_dependencies(lat_version lat_version_header)
target_include_directories(lat_version INTERFACE "${PROJECT_BINARY_DIR}/generated")
