# The words that the folders' CMakeLists.txt are written in: lat_module, lat_executable, lat_unit_test,
# lat_embed. Floors.cmake decides who may use whom.

include("${CMAKE_CURRENT_LIST_DIR}/Floors.cmake")

# Fails unless each of the modules (lat_x) is a target; `user` is who wants them.
function(lat__require_modules user)
    foreach(used IN LISTS ARGN)
        if(used MATCHES "^lat_" AND NOT TARGET ${used})
            message(FATAL_ERROR "${user} links ${used}, which no CMakeLists.txt makes")
        endif()
    endforeach()
endfunction()

# lat_module(NAME <name> SOURCES <file>... [LINKS <module or dependency>...] [PRIVATE_LINKS <...>...])
#
# The library of the current folder, lat_<name>. LINKS are what its face headers need, PRIVATE_LINKS what
# only its sources need; each is a module (lat_base) or a dependency (lat::uv) and is checked against
# cmake/floors.txt. lat_version may be linked by every module: it brings lat_version.h.
function(lat_module)
    cmake_parse_arguments(M "" "NAME" "SOURCES;LINKS;PRIVATE_LINKS" ${ARGN})
    if(M_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "lat_module: unknown argument ${M_UNPARSED_ARGUMENTS}")
    endif()
    file(RELATIVE_PATH folder "${PROJECT_SOURCE_DIR}" "${CMAKE_CURRENT_SOURCE_DIR}")
    lat__folder_of_module("${M_NAME}" expected)
    if(NOT folder STREQUAL expected)
        message(FATAL_ERROR "${folder} calls itself '${M_NAME}', which is the name of ${expected}")
    endif()
    set(links ${M_LINKS} ${M_PRIVATE_LINKS})
    list(REMOVE_ITEM links lat_version)
    foreach(used IN LISTS links)
        lat__check_link("${folder}" "${used}")
    endforeach()
    lat__require_modules("${folder}" ${links})
    add_library(lat_${M_NAME} STATIC ${M_SOURCES})
    target_include_directories(lat_${M_NAME} PUBLIC "${PROJECT_SOURCE_DIR}/core" "${PROJECT_SOURCE_DIR}")
    target_link_libraries(lat_${M_NAME} PUBLIC ${M_LINKS} PRIVATE ${M_PRIVATE_LINKS} lat_flags)
endfunction()

# lat_executable(NAME <name> MAIN <main file of the floor table> LINKS <module>...)
function(lat_executable)
    cmake_parse_arguments(E "" "NAME;MAIN" "LINKS" ${ARGN})
    foreach(used IN LISTS E_LINKS)
        lat__check_link("${E_MAIN}" "${used}")
    endforeach()
    lat__require_modules("${E_NAME}" ${E_LINKS})
    add_executable(${E_NAME} "${PROJECT_SOURCE_DIR}/${E_MAIN}")
    target_include_directories(${E_NAME} PRIVATE "${PROJECT_SOURCE_DIR}/core" "${PROJECT_SOURCE_DIR}")
    target_link_libraries(${E_NAME} PRIVATE ${E_LINKS} lat_version lat_flags)
    target_link_options(${E_NAME} PRIVATE -Wl,--build-id=sha1)
    set_target_properties(${E_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
endfunction()

# lat_unit_test(NAME <name> SOURCES <file>... LINKS <module or dependency>... [THREADED])
#
# A CMocka program, registered with CTest under the label `unit`. Paths are relative to the current folder or
# to the project's root; names are unique in the whole project (test_agent_link beside test_link). THREADED
# adds the label `threaded`, and makes it a part of the target threaded_tests: scripts/test runs these under
# ThreadSanitizer as well.
function(lat_unit_test)
    cmake_parse_arguments(T "THREADED" "NAME" "SOURCES;LINKS" ${ARGN})
    if(T_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "lat_unit_test: unknown argument ${T_UNPARSED_ARGUMENTS}")
    endif()
    if(NOT BUILD_TESTING OR NOT TARGET lat::cmocka)
        return()
    endif()
    list(TRANSFORM T_SOURCES REPLACE "^tests/" "${PROJECT_SOURCE_DIR}/tests/")
    lat__require_modules("${T_NAME}" ${T_LINKS})
    add_executable(${T_NAME} ${T_SOURCES})
    target_include_directories(${T_NAME} PRIVATE "${PROJECT_SOURCE_DIR}/core" "${PROJECT_SOURCE_DIR}")
    target_link_libraries(${T_NAME} PRIVATE ${T_LINKS} lat::cmocka lat_flags)
    target_compile_options(${T_NAME} PRIVATE -Wno-conversion)
    target_compile_definitions(${T_NAME} PRIVATE LAT_TEST_ROOT="${PROJECT_SOURCE_DIR}")
    set_target_properties(${T_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
    add_test(NAME ${T_NAME} COMMAND ${T_NAME})
    set(labels unit)
    if(T_THREADED)
        list(APPEND labels threaded)
        add_dependencies(threaded_tests ${T_NAME})
    endif()
    set_tests_properties(${T_NAME} PROPERTIES
        LABELS "${labels}" TIMEOUT "${LAT_TEST_TIMEOUT_S}" SKIP_RETURN_CODE 77 ENVIRONMENT "${LAT_TEST_ENVIRONMENT}")
endfunction()

# lat_embed(TARGET <target> NAME <name> ROOT <folder> FILES <file>...)
#
# Puts files into the target as lat_embedded_<name>[] (see core/base/embed.h), each under its path relative
# to ROOT, in the order given. The assembler reads the files (.incbin), so that nothing is generated that is
# longer than the table and no tool has to be built first.
function(lat_embed)
    cmake_parse_arguments(E "" "TARGET;NAME;ROOT" "FILES" ${ARGN})
    get_filename_component(root "${E_ROOT}" ABSOLUTE)
    set(symbol "lat_embedded_${E_NAME}")
    set(bytes "")
    set(table "")
    set(paths "")
    set(index 0)
    foreach(file IN LISTS E_FILES)
        get_filename_component(path "${file}" ABSOLUTE)
        file(RELATIVE_PATH name "${root}" "${path}")
        list(APPEND paths "${path}")
        string(APPEND bytes
            "    \".L${symbol}_path_${index}: .asciz \\\"${name}\\\"\\n\"\n"
            "    \".L${symbol}_file_${index}: .incbin \\\"${path}\\\"\\n\"\n"
            "    \".L${symbol}_end_${index}: .byte 0\\n\"\n")
        string(APPEND table
            "    \".quad .L${symbol}_path_${index}, .L${symbol}_file_${index}, \"\n"
            "    \".L${symbol}_end_${index} - .L${symbol}_file_${index}\\n\"\n")
        math(EXPR index "${index} + 1")
    endforeach()
    set(source "${PROJECT_BINARY_DIR}/generated/embedded_${E_NAME}.c")
    configure_file("${PROJECT_SOURCE_DIR}/cmake/embedded.c.in" "${source}" @ONLY)
    set_source_files_properties("${source}" PROPERTIES OBJECT_DEPENDS "${paths}")
    target_sources(${E_TARGET} PRIVATE "${source}")
endfunction()
