; The installer of one device slot: the connection file, インストール確認.exe and the start-menu folder. Rendered for one slot.
Unicode true
Target amd64-unicode
ManifestDPIAware true
ManifestSupportedOS all
RequestExecutionLevel admin
SetCompressor lzma
Name "{{ service_name }}"
OutFile "{{ setup_file }}"
InstallDir "$PROGRAMFILES64\ERenkei"
BrandingText " "
ShowInstDetails nevershow
ShowUninstDetails nevershow
!include LogicLib.nsh
!include MUI2.nsh

!define KEY "Software\ERenkei"
!define UNINSTALL_KEY "Software\Microsoft\Windows\CurrentVersion\Uninstall\ERenkei"
!define MENU "$SMPROGRAMS\企業年金電子連携サービス"
!define CONTRACT "{{ contract_number }}"
!define SLOT "{{ slot }}"
!define BUILT_AT "{{ built_at }}"
!define OTHER_PC_CODE 3

VIProductVersion "1.0.0.0"
VIAddVersionKey /LANG=1041 "ProductName" "{{ service_name }}"
VIAddVersionKey /LANG=1041 "FileDescription" "{{ service_name }} セットアップ（${CONTRACT} 端末 ${SLOT}）"
VIAddVersionKey /LANG=1041 "FileVersion" "1.0.0.0"

Var VpnCommand
Var WhatNext

!define MUI_WELCOMEPAGE_TITLE "{{ service_name }} のセットアップ"
!define MUI_WELCOMEPAGE_TEXT "契約番号 ${CONTRACT} の端末 ${SLOT} として、このPCに必要なファイルを入れます。$\r$\n$\r$\nこのインストーラーは、1台のPCだけで使えます。契約番号と端末番号がこのPCのものか、確かめてください。$\r$\n$\r$\n続けるには［次へ］を押してください。"
!define MUI_FINISHPAGE_TITLE "インストールが終わりました"
!define MUI_FINISHPAGE_TEXT "$WhatNext"
!insertmacro MUI_PAGE_WELCOME
!insertmacro MUI_PAGE_INSTFILES
!insertmacro MUI_PAGE_FINISH
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE "Japanese"

; Where the SoftEther VPN Client keeps its command, or empty.
!macro FIND_VPN_COMMAND
  StrCpy $VpnCommand ""
  ${For} $0 1 4
    ${Select} $0
      ${Case} 1
        StrCpy $1 "$PROGRAMFILES64\SoftEther VPN Client\vpncmd_x64.exe"
      ${Case} 2
        StrCpy $1 "$PROGRAMFILES64\SoftEther VPN Client\vpncmd.exe"
      ${Case} 3
        StrCpy $1 "$PROGRAMFILES64\SoftEther VPN Client Developer Edition\vpncmd_x64.exe"
      ${CaseElse}
        StrCpy $1 "$PROGRAMFILES64\SoftEther VPN Client Developer Edition\vpncmd.exe"
    ${EndSelect}
    ${If} ${FileExists} $1
    ${AndIf} $VpnCommand == ""
      StrCpy $VpnCommand $1
    ${EndIf}
  ${Next}
!macroend

!macro VPN_CLIENT WORDS
  nsExec::Exec '"$VpnCommand" localhost /CLIENT /CMD ${WORDS}'
  Pop $0
!macroend

Function .onInit
  SetRegView 64
  SetShellVarContext all
  ReadRegStr $0 HKLM "${KEY}" "Contract"
  ReadRegStr $1 HKLM "${KEY}" "Slot"
  ReadRegStr $2 HKLM "${KEY}" "BuiltAt"
  ${If} $0 == ""
    Return
  ${EndIf}
  ${If} "$0.$1" != "${CONTRACT}.${SLOT}"
    MessageBox MB_OK|MB_ICONSTOP "このPCには、契約番号 $0 の端末 $1 のインストーラーがすでに入っています。1台のPCに入れられるインストーラーは1つだけです。$\r$\n$\r$\nこのインストーラー（契約番号 ${CONTRACT} の端末 ${SLOT}）は、別のPCで実行してください。このPCで使うときは、先に「アプリと機能」から「{{ service_name }}」をアンインストールしてください。" /SD IDOK
    SetErrorLevel ${OTHER_PC_CODE}
    Quit
  ${EndIf}
  ${If} $2 S> "${BUILT_AT}"
    MessageBox MB_OK|MB_ICONSTOP "このPCには、この端末のもっと新しいインストーラーがすでに入っています。$\r$\n$\r$\n古いインストーラーは使えません。最新のインストーラーを、ダウンロードの窓口から受け取ってください。" /SD IDOK
    SetErrorLevel ${OTHER_PC_CODE}
    Quit
  ${EndIf}
FunctionEnd

Section
  SetOutPath "$INSTDIR"
  File "{{ confirm_file }}"
  File "{{ vpn_file }}"
  ; The key in it is for administrators: whoever merely uses the PC shall not carry it elsewhere.
  nsExec::Exec '"$SYSDIR\icacls.exe" "$INSTDIR\{{ vpn_file }}" /inheritance:r /grant:r *S-1-5-32-544:F *S-1-5-18:F'
  Pop $0
  WriteUninstaller "$INSTDIR\uninstall.exe"
  WriteRegStr HKLM "${KEY}" "Contract" "${CONTRACT}"
  WriteRegStr HKLM "${KEY}" "Slot" "${SLOT}"
  WriteRegStr HKLM "${KEY}" "Installer" "{{ uid }}"
  WriteRegStr HKLM "${KEY}" "BuiltAt" "${BUILT_AT}"
  WriteRegStr HKLM "${UNINSTALL_KEY}" "DisplayName" "{{ service_name }}（${CONTRACT} 端末 ${SLOT}）"
  WriteRegStr HKLM "${UNINSTALL_KEY}" "UninstallString" '"$INSTDIR\uninstall.exe"'
  WriteRegStr HKLM "${UNINSTALL_KEY}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
  WriteRegDWORD HKLM "${UNINSTALL_KEY}" "NoModify" 1
  WriteRegDWORD HKLM "${UNINSTALL_KEY}" "NoRepair" 1

  CreateDirectory "${MENU}"
  CreateShortcut "${MENU}\インストール確認.lnk" "$INSTDIR\{{ confirm_file }}"
  WriteINIStr "${MENU}\ワンタイムパスワード発行・サイト.url" "InternetShortcut" "URL" "{{ onetime_url }}"
  WriteINIStr "${MENU}\電子連携サービス・認証画面.url" "InternetShortcut" "URL" "{{ auth_url }}"

  !insertmacro FIND_VPN_COMMAND
{%- if client_file %}
  ${If} $VpnCommand == ""
  ${AndIfNot} ${Silent}
    InitPluginsDir
    SetCompress off
    File "/oname=$PLUGINSDIR\{{ client_file }}" "{{ client_file }}"
    SetCompress auto
    ExecWait '"$PLUGINSDIR\{{ client_file }}"'
    !insertmacro FIND_VPN_COMMAND
  ${EndIf}
{%- endif %}
  StrCpy $WhatNext "次に、スタートメニューの「企業年金電子連携サービス」にある「インストール確認」を開き、確認コードを作成してください。"
  ${If} $VpnCommand == ""
    StrCpy $WhatNext "$WhatNext$\r$\n$\r$\nこのPCには SoftEther VPN Client が入っていません。手順書に従って入れてから、このセットアップをもう一度実行すると、VPNの接続設定が加わります。"
  ${Else}
    !insertmacro VPN_CLIENT "NicCreate {{ adapter }}"
    !insertmacro VPN_CLIENT "AccountDisconnect {{ account }}"
    !insertmacro VPN_CLIENT "AccountDelete {{ account }}"
    SetOutPath "$INSTDIR"
    !insertmacro VPN_CLIENT "AccountImport {{ vpn_file }}"
    ${If} $0 == "0"
      Delete "$INSTDIR\{{ vpn_file }}"
    ${EndIf}
  ${EndIf}
SectionEnd

Function un.onInit
  SetRegView 64
  SetShellVarContext all
FunctionEnd

Section "Uninstall"
  !insertmacro FIND_VPN_COMMAND
  ${If} $VpnCommand != ""
    !insertmacro VPN_CLIENT "AccountDisconnect {{ account }}"
    !insertmacro VPN_CLIENT "AccountDelete {{ account }}"
  ${EndIf}
  Delete "${MENU}\インストール確認.lnk"
  Delete "${MENU}\ワンタイムパスワード発行・サイト.url"
  Delete "${MENU}\電子連携サービス・認証画面.url"
  RMDir "${MENU}"
  Delete "$INSTDIR\{{ vpn_file }}"
  Delete "$INSTDIR\{{ confirm_file }}"
  Delete "$INSTDIR\uninstall.exe"
  RMDir "$INSTDIR"
  DeleteRegKey HKLM "${UNINSTALL_KEY}"
  DeleteRegKey HKLM "${KEY}"
SectionEnd
