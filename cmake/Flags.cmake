# Compiler and linker flags: the language, the warnings, the hardening, the sanitizers.
#
# lat_flags is what all of our code is compiled with. What is compiled from others' sources takes only the
# sanitizers and the hardening, which hold for the whole build.

option(LAT_WERROR "A warning is an error" ON)
set(LAT_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize= takes them: address,undefined or thread")

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)

add_compile_definitions(_GNU_SOURCE)
add_compile_options(-fno-common -fstack-protector-strong)
add_link_options(-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)

include(CheckCCompilerFlag)
check_c_compiler_flag(-fcf-protection=full LAT_HAS_CF_PROTECTION)
if(LAT_HAS_CF_PROTECTION)
    add_compile_options(-fcf-protection=full)
endif()
check_c_compiler_flag(-fstack-clash-protection LAT_HAS_STACK_CLASH_PROTECTION)
if(LAT_HAS_STACK_CLASH_PROTECTION)
    add_compile_options(-fstack-clash-protection)
endif()

if(LAT_SANITIZE)
    add_compile_options(-fsanitize=${LAT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${LAT_SANITIZE})
else()
    # The sanitizers bring checks of their own for what _FORTIFY_SOURCE looks at.
    add_compile_options("$<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=2>")
endif()

set(CMAKE_C_FLAGS_DEBUG "-O1 -g")
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")

add_library(lat_flags INTERFACE)
target_compile_options(lat_flags INTERFACE
    -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wundef
    -Wpointer-arith -Wwrite-strings -Wconversion -Wno-sign-conversion
    $<$<BOOL:${LAT_WERROR}>:-Werror>
    -fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=)
