@echo off
rem The fast lane needs POSIX; on Windows everything goes through the full command line.
if exist "%~dp0python.exe" (
    "%~dp0python.exe" -m shellvault %*
) else (
    "%~dp0..\python.exe" -m shellvault %*
)
